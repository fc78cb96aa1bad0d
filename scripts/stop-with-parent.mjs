// Loaded into the server by start.mjs: when that is killed, the server would stay behind unseen, on its port.
process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
process.channel?.unref();
