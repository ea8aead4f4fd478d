// When a voice begins and how long it has been quiet, from what a detector says of each window: runtime/voice_gate.py.

const LIKELY = 1 / 3; // shares of the probability at which a voice is sure
const LASTING = 0.6; // below it a voice that began is quiet

/** Opens at a voice that lasts: `needed` windows in a row in which one is likely, in at least one of them surely. */
export class VoiceGate {
  constructor(threshold, needed) {
    this.threshold = threshold;
    this.needed = needed;
    this.latest = [];
    this.quiet = 0; // windows in a row without voice
  }

  /** Takes the detector's word for the next window. */
  hear(probability) {
    this.latest = [...this.latest, probability].slice(-this.needed);
    this.quiet = probability >= LASTING * this.threshold ? 0 : this.quiet + 1;
  }

  /** Whether a voice began in the last `needed` windows. */
  get open() {
    const { latest, needed, threshold } = this;
    return latest.length === needed && Math.min(...latest) >= LIKELY * threshold && Math.max(...latest) >= threshold;
  }

  /** An utterance begins: silence is counted from here. */
  begin() {
    this.quiet = 0;
  }

  /** An utterance ended: what was voice in it opens no other one. */
  end() {
    this.latest = [];
  }

  /** Forgets the stream. */
  reset() {
    this.latest = [];
    this.quiet = 0;
  }
}
