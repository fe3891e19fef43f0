// Lets the browser do what it has to during long work: what a hand does, and frames. The rest of a
// page that is still being parsed has to wait: nobody looks at that yet.

interface Yielding {
  scheduler?: { yield?(): Promise<void> };
}

export function pause(): Promise<void> {
  return (globalThis as Yielding).scheduler?.yield?.() ?? message();
}

function message(): Promise<void> {
  return new Promise((resolve) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => (channel.port1.close(), resolve());
    channel.port2.postMessage(null);
  });
}
