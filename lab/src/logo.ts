/** The kernel's picture, drawn by the same function as its spec's. */
import { logoSvg } from "../../kernel/install/logo.js";

export const logo = logoSvg();
