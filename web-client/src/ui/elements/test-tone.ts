const TONE_MS = 900;

/** Plays two soft notes on a speaker, to find out which one it is. */
export async function playTestTone(speakerId: string | null): Promise<void> {
  const context = new AudioContext();
  const out = context.createMediaStreamDestination();
  for (const [start, frequency] of [
    [0, 523.25],
    [0.22, 783.99],
  ] as const) {
    const note = context.createOscillator();
    const loudness = context.createGain();
    const at = context.currentTime + start;
    note.frequency.value = frequency;
    loudness.gain.setValueAtTime(0, at);
    loudness.gain.linearRampToValueAtTime(0.25, at + 0.03);
    loudness.gain.exponentialRampToValueAtTime(0.001, at + 0.5);
    note.connect(loudness).connect(out);
    note.start(at);
    note.stop(at + 0.55);
  }
  const player = new Audio();
  player.srcObject = out.stream;
  if (speakerId !== null && "setSinkId" in player) await player.setSinkId(speakerId).catch(() => undefined);
  await player.play();
  await new Promise((resolve) => setTimeout(resolve, TONE_MS));
  await context.close();
}
