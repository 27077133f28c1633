/** A number format: of weights in a file, of activations on a device. */
export type FloatType = "float32" | "float16" | "bfloat16";
