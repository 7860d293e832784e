/** The streaming scorer on native TensorFlow. */
import { refusal } from "../../src/engine/refusals.js";
import { nativeHere } from "../engine/setup.js";
import { scorerSuite } from "./scorerSuite.js";

scorerSuite("native", {
  skip: refusal("native") === undefined ? false : "no native engine for this platform",
  prepare: nativeHere,
});
