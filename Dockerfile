FROM node:26-slim AS packages
WORKDIR /app
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
COPY apps/server/package.json apps/server/
COPY packages/schema/package.json packages/schema/
COPY packages/sdk/package.json packages/sdk/
# The image brings Node, and the database is elsewhere: nothing optional is needed.
RUN npx -y "$(node -p 'require("./package.json").packageManager')" install \
    --frozen-lockfile --prod --no-optional --filter @sotto/server...

FROM node:26-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app ./
COPY packages/schema/src packages/schema/src
COPY apps/server/src apps/server/src
USER node
EXPOSE 8091
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["node", "-e", \
  "fetch(`http://127.0.0.1:${process.env.APP_PORT ?? 8091}/health`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--conditions=@sotto/source", "--max-semi-space-size=16", "apps/server/src/main.ts"]
