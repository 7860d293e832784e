/**
 * All golden numbers on plain JavaScript, whose steps take some seconds each: at the lower rate, where parameters move by a fiftieth of
 * the higher one's, the first step alone unless AMS_LONG_TESTS is set.
 */
import { goldenSuite } from "./goldenSuite.js";

goldenSuite("plain", { slowSteps: process.env["AMS_LONG_TESTS"] === undefined ? 1 : 5 });
