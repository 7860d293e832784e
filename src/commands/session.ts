export interface Session {
  cwd: string;
}
