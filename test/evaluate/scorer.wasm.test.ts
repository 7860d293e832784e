/** The streaming scorer on WebAssembly. */
import { scorerSuite } from "./scorerSuite.js";

scorerSuite("wasm");
