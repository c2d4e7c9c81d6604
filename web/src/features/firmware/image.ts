/**
 * Looks into the first bytes of a firmware file, so that a wrong one is seen before it travels. The server checks everything
 * again. Layout: ESP-IDF `esp_image_header_t` and `esp_app_desc_t`.
 */
export type ImageNote =
  | { kind: 'esp'; chip: string | undefined; project: string; version: string; idf: string }
  | { kind: 'hex' }
  | { kind: 'raw' };

const CHIPS: Record<number, string> = { 0: 'esp32', 2: 'esp32s2', 5: 'esp32c3', 9: 'esp32s3', 12: 'esp32c2', 13: 'esp32c6', 16: 'esp32h2', 18: 'esp32p4' };
const APP_DESC = 0xabcd5432;

export function noteOf(head: Uint8Array): ImageNote {
  if (head[0] === 0x3a) return { kind: 'hex' };
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (head[0] !== 0xe9 || head.length < 288 || view.getUint32(32, true) !== APP_DESC) return { kind: 'raw' };
  const text = (from: number, length: number) => {
    const field = head.subarray(from, from + length);
    const end = field.indexOf(0);
    return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
  };
  return { kind: 'esp', chip: CHIPS[view.getUint16(12, true)], version: text(48, 32), project: text(80, 32), idf: text(144, 32) };
}

export async function readImage(file: Blob): Promise<ImageNote> {
  return noteOf(new Uint8Array(await file.slice(0, 512).arrayBuffer()));
}
