/** All golden numbers on WebAssembly. */
import { goldenSuite } from "./goldenSuite.js";

goldenSuite("wasm");
