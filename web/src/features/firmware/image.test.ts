import { describe, expect, it } from 'vitest';
import { noteOf } from './image';

function esp(chip: number, version: string, project: string): Uint8Array {
  const bytes = new Uint8Array(512);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 0xe9);
  view.setUint16(12, chip, true);
  view.setUint32(32, 0xabcd5432, true);
  bytes.set(new TextEncoder().encode(version), 48);
  bytes.set(new TextEncoder().encode(project), 80);
  bytes.set(new TextEncoder().encode('v5.2'), 144);
  return bytes;
}

describe('what is read out of an image', () => {
  it('finds chip, project and version of an ESP-IDF image', () => {
    expect(noteOf(esp(9, '1.4.0', 'vending'))).toEqual({ kind: 'esp', chip: 'esp32s3', version: '1.4.0', project: 'vending', idf: 'v5.2' });
  });
  it('knows Intel HEX and leaves the rest alone', () => {
    expect(noteOf(new TextEncoder().encode(':10000000'))).toEqual({ kind: 'hex' });
    expect(noteOf(new Uint8Array([1, 2, 3]))).toEqual({ kind: 'raw' });
    expect(noteOf(new Uint8Array())).toEqual({ kind: 'raw' });
  });
});
