// Reads the metadata of an ONNX file: onnxruntime-web gives no access to them (microsoft/onnxruntime#16547). They are the
// outermost fields number 14, each a message of a key (1) and a value (2); every other outermost field is passed over.

/** @param {Uint8Array} bytes the file  @returns {Object<string, string>} */
export function metadata(bytes) {
  const text = new TextDecoder();
  function* fields(at, end) {
    const number = () => {
      let value = 0, factor = 1, byte;
      do { byte = bytes[at++]; value += (byte & 127) * factor; factor *= 128; } while (byte & 128);
      return value;
    };
    while (at < end) {
      const key = number(), length = number(); // a whole number (wire type 0) has its value where others have a length
      if (key % 8 === 2) { yield [key >> 3, at, at + length]; at += length; }
    }
  }
  const found = {};
  for (const [field, from, to] of fields(0, bytes.length)) {
    if (field !== 14) continue;
    const [key, value] = [...fields(from, to)].map(([, from, to]) => text.decode(bytes.subarray(from, to)));
    found[key] = value;
  }
  return found;
}
