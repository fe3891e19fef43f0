// The one node module that tests use; the front end itself knows no node.
declare module "node:zlib" {
  export function gzipSync(bytes: Uint8Array): Uint8Array;
}
