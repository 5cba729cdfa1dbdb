import { gzipSync } from 'node:zlib';

/** The CRC that zlib itself puts at the end of a gzip file: a second opinion on ours. */
export function crc32(bytes: Uint8Array): number {
  return gzipSync(bytes).readUInt32LE(gzipSync(bytes).length - 8);
}
