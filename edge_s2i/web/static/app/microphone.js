// The microphone: asked for when it is first needed, and closed when the page is hidden.

/** Why there is no microphone: 'denied', 'missing', 'insecure' or 'busy'. */
export class MicrophoneError extends Error {
  constructor(reason, cause) {
    super(`no microphone: ${reason}`, { cause });
    this.reason = reason;
  }
}

const REASONS = { NotAllowedError: 'denied', SecurityError: 'denied', NotFoundError: 'missing' };

export class Microphone {
  /** onSamples: called with Int16Array chunks of 20 ms at 16 kHz. */
  constructor(onSamples) {
    this.onSamples = onSamples;
    this.opening = null;
    this.stream = null;
    this.context = null;
  }

  get open() {
    return this.stream !== null;
  }

  /** Resolves when sound comes; MicrophoneError says why it does not. */
  start() {
    this.opening ??= this.begin().catch((error) => {
      this.opening = null;
      throw error;
    });
    return this.opening;
  }

  async begin() {
    if (!navigator.mediaDevices?.getUserMedia) throw new MicrophoneError('insecure');
    let stream;
    try {
      // As it is: what cleans speech for a call changes what the encoder has learned to hear.
      const audio = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      stream = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      throw new MicrophoneError(REASONS[error.name] ?? 'busy', error);
    }
    try {
      this.context = new AudioContext({ latencyHint: 'interactive' });
      await this.context.audioWorklet.addModule(new URL('./capture-worklet.js', import.meta.url));
      await this.context.resume();
      const capture = new AudioWorkletNode(this.context, 'capture', { numberOfOutputs: 0 });
      capture.port.onmessage = ({ data }) => this.onSamples(data);
      this.context.createMediaStreamSource(stream).connect(capture);
    } catch (error) {
      stream.getTracks().forEach((track) => track.stop());
      throw new MicrophoneError('busy', error);
    }
    this.stream = stream;
  }

  /** Closes the microphone, so that the browser's sign for it goes out. */
  async stop() {
    if (!this.stream) return;
    this.stream.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.opening = null;
    await this.context.close();
  }
}
