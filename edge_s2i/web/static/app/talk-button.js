// Hold to talk; or, for those who cannot hold, tap to start and tap to stop. Mouse, finger, keyboard, screen reader.

const TAP_MILLISECONDS = 280;

export class TalkButton {
  /** onPress and onRelease: speech begins and ends. */
  constructor(button, onPress, onRelease) {
    this.button = button;
    this.onPress = onPress;
    this.onRelease = onRelease;
    this.down = false;
    this.since = 0;
    this.latched = false;
    this.byClick = false;
    button.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      button.setPointerCapture(event.pointerId);
      this.push();
    });
    for (const name of ['pointerup', 'pointercancel', 'lostpointercapture']) {
      button.addEventListener(name, () => this.lift());
    }
    button.addEventListener('contextmenu', (event) => event.preventDefault()); // of a long press on a phone
    button.addEventListener('click', (event) => {
      // A screen reader sends clicks without a pointer or a key before them: those switch.
      if (event.detail !== 0 || this.byKey) return;
      this.push();
      this.lift();
    });
    button.addEventListener('blur', () => this.byKey && this.lift());
    document.addEventListener('keydown', (event) => this.key(event, true));
    document.addEventListener('keyup', (event) => this.key(event, false));
  }

  key(event, down) {
    const here = event.target === this.button;
    // Space talks from anywhere, except where it means something else.
    const elsewhere = event.code === 'Space' && !event.target.closest('button, dialog, a, input');
    if ((!here && !elsewhere && down) || !['Space', 'Enter'].includes(event.code)) return;
    if (!down && !this.byKey) return;
    event.preventDefault();
    if (event.repeat) return;
    this.byKey = true;
    if (down) {
      this.push();
    } else {
      this.lift();
      setTimeout(() => (this.byKey = false)); // after the click that the browser makes of it
    }
  }

  push() {
    if (this.down) return;
    this.down = true;
    if (this.latched) {
      this.latched = false;
      this.stopping = true;
      this.onRelease();
      return;
    }
    this.stopping = false;
    this.since = performance.now();
    this.onPress();
  }

  lift() {
    if (!this.down) return;
    this.down = false;
    if (this.stopping) return;
    if (performance.now() - this.since < TAP_MILLISECONDS) this.latched = true;
    else this.onRelease();
  }

  /** The utterance ended without the button: a tap starts a new one. */
  reset() {
    this.latched = false;
    if (this.down) this.stopping = true;
  }
}
