import { contract, type Procedure } from "@sotto/schema";

export const unknownId = "01999999-9999-7999-8999-999999999999";

export interface ContractRoute {
  method: string;
  /** As the contract has it, with its parameters in braces. */
  template: string;
  /** With parameters that name nothing of anybody. */
  route: string;
  procedure: Procedure;
}

/** Every REST route of the contract. */
export const contractRoutes: ContractRoute[] = Object.values(contract).flatMap((procedures) =>
  Object.values(procedures).flatMap((procedure: Procedure) => {
    const { rest } = procedure;
    if (!rest) return [];
    const path = rest.path.replace("{device_id}", "no-such-device").replace(/\{\w+\}/g, unknownId);
    return [{ method: rest.method, template: rest.path, route: `${rest.method} ${path}`, procedure }];
  }),
);

export const signedInRoutes = contractRoutes.filter(({ procedure }) => procedure.access !== "public");
