/** The streaming scorer on plain JavaScript. */
import { scorerSuite } from "./scorerSuite.js";

scorerSuite("plain");
