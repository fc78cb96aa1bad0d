/** The port that the server is to listen on is in use. */
export class PortTakenError extends Error {
  override readonly name = "PortTakenError";
  constructor(port: number) {
    super(`Port ${port} is taken by another program. End that one, or set APP_PORT to a free port.`);
  }
}
