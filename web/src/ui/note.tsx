// Messages in the view itself: a problem and what to do about it, or that data are on their way.

export function Problem({ message }: { message: string }) {
  return (
    <div class="problem" role="alert">
      <b>This view cannot be drawn.</b>
      {message}
    </div>
  );
}

export function Waiting() {
  return <div class="waiting">Loading…</div>;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
