// Data from attnscope's own server: a request as JSON, a reply as one body (four bytes with the
// length of its JSON, the JSON, the bytes).
import type { Reply, Request, Transport } from "../types";

const GONE = "attnscope's server does not answer: it has ended, or this page is from before it was started again. Open the address that it printed.";

export function httpSource(path: string, signal: AbortSignal): Transport {
  return {
    live: true,
    async fetch(request: Request, stop: AbortSignal = signal): Promise<Reply> {
      const sent = { method: "POST", body: JSON.stringify(request), signal: stop };
      const [ok, body] = await fetch(path, sent).then(
        async (response) => [response.ok, await response.arrayBuffer()] as const,
        (error: Error) => Promise.reject(error.name === "AbortError" ? error : new Error(GONE)),
      );
      return ok ? replyOf(body) : Promise.reject(new Error(problemOf(body)));
    },
  };
}

function replyOf(body: ArrayBuffer): Reply {
  const start = 4 + new DataView(body).getUint32(0, true);
  return { meta: JSON.parse(textOf(body.slice(4, start))) as Reply["meta"], bytes: new Uint8Array(body, start) };
}

function problemOf(body: ArrayBuffer): string {
  try {
    return (JSON.parse(textOf(body)) as { error: string }).error;
  } catch {
    return GONE;
  }
}

function textOf(bytes: ArrayBuffer): string {
  return new TextDecoder().decode(bytes);
}
