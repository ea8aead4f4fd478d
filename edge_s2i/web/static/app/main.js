// The page: a microphone, an engine on the device or in the browser, and what people see and touch.

import { AboutView } from './about-view.js';
import { computingFacts, deviceFacts } from './computing-facts.js';
import { History } from './history.js';
import { HistoryView, SHARED } from './history-view.js';
import { save, share, toPng } from './keeping.js';
import { LocalEngine } from './local-engine.js';
import { Microphone } from './microphone.js';
import { PictureView, putPixels } from './picture-view.js';
import { keep, keepRecord, kept, keptRecord } from './preferences.js';
import { RemoteEngine } from './remote-engine.js';
import { TalkButton } from './talk-button.js';
import { Tiles } from './tiles.js';
import { Waveform } from './waveform.js';
import * as words from './words.js';

const READINGS = 4;
const LOUD = 600; // of 32768
const ENGINES = { device: RemoteEngine, browser: LocalEngine };
const SIGNS = { silence: 'i-ear', short: 'i-microphone', long: 'i-again', noise: 'i-ear', unsure: 'i-again' };
const debug = new URLSearchParams(location.search).has('debug');
const element = (id) => document.getElementById(id);

class Page {
  constructor(history, listing) {
    this.root = document.documentElement;
    this.settings = { handsFree: false, seed: listing.seed, style: listing.style };
    this.gpu = { files: listing.gpu, version: listing.version };
    this.computing = null; // what computes in this browser, once it is known
    this.detector = listing.detector;
    this.shuffles = 0;
    this.ready = false;
    this.speaking = false;
    this.wanted = false; // the button is held while the microphone opens
    this.ownMicrophone = true;
    this.styleNames = [];
    this.item = null; // of the history: the picture that is shown
    this.view = new PictureView(element('frame'), element('picture'), element('sign'));
    this.waveform = new Waveform(element('waveform'), (level) => this.root.style.setProperty('--level', level.toFixed(3)));
    this.microphone = new Microphone((samples) => {
      this.waveform.feed(samples);
      this.engine.feed(samples);
      if (debug) follow(samples);
    });
    this.readings = new Tiles(element('readings'), (index) => this.takeReading(index));
    this.readings.names = Array.from({ length: READINGS }, (_, index) => `Reading ${index + 1}`);
    this.styles = new Tiles(element('styles'), (index) => this.takeStyle(this.styleNames[index]));
    this.talk = new TalkButton(element('talk'), () => this.press(), () => this.release());
    this.history = history;
    this.album = new HistoryView(
      history,
      {
        dialog: element('history'),
        list: element('history-list'),
        empty: element('no-history'),
        count: element('count'),
        open: element('open-history'),
        close: element('close-history'),
        clear: element('clear-history'),
      },
      (text) => this.say(text),
    );
    this.about = new AboutView(
      { dialog: element('about'), list: element('about-list'), open: element('open-about'), close: element('close-about') },
      () => [...(this.mode === 'browser' ? computingFacts(this.computing) : deviceFacts(location)), ['Version', listing.version]],
    );
    this.listen(listing);
    const mode = kept('mode');
    this.tried = mode !== null; // without a choice of the person's own, the browser stands in for a silent device
    this.open(mode === 'browser' && listing.offline ? 'browser' : 'device');
  }

  listen(listing) {
    for (const mode of Object.keys(ENGINES)) {
      element(`mode-${mode}`).addEventListener('click', () => this.choose(mode));
      element(`mode-${mode}`).addEventListener('keydown', ({ key }) => {
        if (!key.startsWith('Arrow')) return;
        const other = mode === 'device' ? 'browser' : 'device';
        element(`mode-${other}`).focus();
        this.choose(other);
      });
    }
    element('mode-browser').disabled = !listing.offline;
    element('hands-free').addEventListener('click', () => this.setHandsFree(!this.settings.handsFree));
    element('more').addEventListener('click', () => this.shuffle());
    element('save').addEventListener('click', () => this.item && save(this.item));
    element('share').addEventListener('click', async () => this.item && this.say(SHARED[await share(this.item)]));
    this.toggle('theme', 'dark', 'light');
    this.toggle('contrast', 'more', 'usual');
    document.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || element('history').open) return;
      if (event.key >= '1' && event.key <= String(READINGS)) this.readings.choose(Number(event.key) - 1);
      else if (event.key === 'h') this.setHandsFree(!this.settings.handsFree);
    });
    document.addEventListener('visibilitychange', () => document.hidden && this.rest());
  }

  toggle(name, on, off) {
    const button = element(name);
    const show = () => button.setAttribute('aria-pressed', String(this.root.dataset[name] === on));
    button.addEventListener('click', () => {
      this.root.dataset[name] = this.root.dataset[name] === on ? off : on;
      keep(name, this.root.dataset[name]);
      show();
    });
    new MutationObserver(show).observe(this.root, { attributeFilter: [`data-${name}`] });
    show();
  }

  // Engines

  choose(mode) {
    keep('mode', mode);
    this.tried = true;
    if (mode !== this.mode) this.open(mode);
  }

  open(mode) {
    this.engine?.close();
    this.mode = mode;
    this.ready = false;
    this.speaking = false;
    this.computing = null;
    for (const name of Object.keys(ENGINES)) {
      element(`mode-${name}`).setAttribute('aria-checked', String(name === mode));
      element(`mode-${name}`).tabIndex = name === mode ? 0 : -1;
    }
    this.root.dataset.mode = mode;
    this.root.dataset.ready = 'false';
    this.status(words.LOADING);
    this.talkState();
    const engine = new ENGINES[mode]((event) => this.engine === engine && this.take(event), {
      settings: this.settings,
      gpu: { ...this.gpu, verdict: keptRecord('gpu') },
      detector: this.detector,
      debug,
    });
    this.engine = engine;
  }

  take(event) {
    if (debug) globalThis.edgeS2i.events.push({ ...event, mode: this.mode, time: performance.now() });
    this[`on_${event.type}`]?.(event);
  }

  on_progress({ done, total }) {
    element('loading').hidden = done >= total;
    element('loading').style.setProperty('--done', (done / total).toFixed(3));
  }

  on_ready({ styles, usual, microphone = true }) {
    this.ready = true;
    this.ownMicrophone = microphone; // or the device hears by its own
    element('hands-free').disabled = !microphone;
    this.tried = true;
    this.root.dataset.ready = 'true';
    element('loading').hidden = true;
    if (styles.join() !== this.styleNames.join()) {
      this.styleNames = styles;
      this.styles.names = styles.map((style) => `Style: ${style.replaceAll('-', ' ')}`);
      element('styles').hidden = styles.length < 2;
    }
    this.styles.mark(styles.indexOf(this.settings.style ?? usual));
    if (this.view.state === 'trouble') this.view.state = 'empty';
    this.status(this.settings.handsFree ? words.HANDS_FREE : words.WELCOME);
    if (this.wanted && this.microphone.open) this.engine.press(); // held while the engine opened
    this.talkState();
  }

  on_away({ reason }) {
    this.ready = reason === 'idle';
    this.speaking = false;
    this.wanted = false;
    this.talk.reset();
    if (!this.tried && !element('mode-browser').disabled) {
      this.tried = true;
      this.open('browser');
    } else {
      this.trouble(reason);
    }
  }

  on_failed({ reason }) {
    console.error(reason);
    this.speaking = false;
    if (!this.ready) this.trouble('failed');
  }

  // Speech

  on_started() {
    this.speaking = true;
    this.shuffles = 0;
    this.item = null;
    this.readings.clear();
    this.view.state = 'listening';
    this.sureness(0, false);
    this.keepable();
    this.status(words.LISTENING);
    this.talkState();
  }

  on_partial(event) {
    this.view.grow(event);
    this.sureness(event.confidence, event.strength >= 1);
  }

  on_final(event) {
    this.speaking = false;
    this.wanted = false;
    this.talk.reset();
    this.sureness(event.confidence, event.understood);
    if (event.understood) {
      const first = { picture: event.pictures[0], size: event.size };
      this.item = { id: Date.now(), name: event.name, confidence: event.confidence };
      this.view.show({ ...first, name: event.name });
      this.readings.draw(0, first);
      this.readings.mark(0);
      this.remember(first, 0);
      this.status(words.sure(event.confidence), words.drawn(event.name, event.confidence));
    } else {
      this.view.refuse('again', SIGNS[event.reason] ?? 'i-again');
      this.status(words.AGAIN[event.reason] ?? words.AGAIN.unsure);
    }
    this.keepable();
    this.talkState(event.understood ? null : 'again');
  }

  on_reading(event) {
    if (this.speaking || !this.item) return;
    this.readings.draw(event.index, event);
    if (event.index === this.readings.chosen) {
      this.view.show(event);
      this.remember(event, event.index);
    }
  }

  on_style(event) {
    this.styles.draw(this.styleNames.indexOf(event.style), event);
  }

  /** What computes in this browser was found, or was lost. */
  on_computing(event) {
    this.computing = { ...this.computing, ...event };
    if (event.verdict) keepRecord('gpu', event.verdict.key ? event.verdict : null);
    this.about.refresh();
    console.info(computingFacts(this.computing).map((fact) => fact.join(': ')).join('; '));
  }

  on_dropped({ samples, partials }) {
    if (debug) Object.assign(globalThis.edgeS2i, { droppedSamples: samples, droppedPartials: partials });
  }

  async press() {
    this.wanted = true;
    if (!(await this.hear()) || !this.wanted) return;
    this.engine.press();
    this.talkState('live');
  }

  release() {
    this.wanted = false;
    this.engine.release();
    this.talkState();
  }

  /** Opens the microphone; false, and a sign on the page, where that is not possible. */
  async hear() {
    if (this.microphone.open || !this.ownMicrophone) return true;
    try {
      await this.microphone.start();
      if (this.view.state === 'trouble') this.view.state = 'empty';
      return true;
    } catch (error) {
      this.talk.reset();
      this.trouble(error.reason ?? 'busy');
      return false;
    }
  }

  async setHandsFree(on) {
    if (on && !(await this.hear())) return;
    this.settings.handsFree = on;
    element('hands-free').setAttribute('aria-pressed', String(on));
    this.engine.choose({ handsFree: on });
    if (this.ready && !this.speaking) this.status(on ? words.HANDS_FREE : words.WELCOME);
    this.talkState();
  }

  /** The page is not looked at: nobody should be heard without seeing it. */
  async rest() {
    this.wanted = false;
    this.talk.reset();
    if (this.settings.handsFree) await this.setHandsFree(false);
    this.engine.finish();
    await this.microphone.stop();
    this.waveform.rest();
    this.talkState();
  }

  // Choices

  takeReading(index) {
    const reading = this.readings.pictures[index];
    if (!reading) return;
    this.view.show(reading);
    this.remember(reading, index);
  }

  takeStyle(style) {
    this.settings.style = style;
    this.engine.choose({ style });
    if (this.item) this.engine.redraw({ seed: this.settings.seed + this.shuffles, style });
  }

  shuffle() {
    this.shuffles += 1;
    this.engine.redraw({ seed: this.settings.seed + this.shuffles, style: this.settings.style });
  }

  async remember({ picture, size }, reading) {
    const { item } = this;
    const canvas = document.createElement('canvas');
    putPixels(canvas, picture, size);
    item.png = await toPng(canvas);
    Object.assign(item, { reading, style: this.settings.style, mode: this.mode });
    await this.history.put(item);
    this.album.counted();
    this.keepable();
  }

  // What people see

  keepable() {
    for (const id of ['save', 'share']) element(id).disabled = !this.item?.png;
    element('more').disabled = !this.item || !this.ownMicrophone;
  }

  sureness(confidence, understood) {
    const meter = element('sureness');
    const lit = confidence > 0 ? Math.max(1, Math.round(confidence * 5)) : 0;
    meter.setAttribute('aria-valuenow', String(Math.round(100 * confidence)));
    meter.classList.toggle('sure', understood);
    meter.querySelectorAll('b').forEach((bar, index) => bar.classList.toggle('on', index < lit));
  }

  /** shown: the line below the picture; spoken: what a screen reader says of it, if something else. */
  status(shown, spoken = shown) {
    element('status').textContent = shown;
    this.say(spoken);
  }

  say(text) {
    element('said').textContent = text;
  }

  trouble(reason) {
    const isDevice = ['away', 'token', 'full', 'idle'].includes(reason);
    this.view.refuse('trouble', isDevice ? 'i-plug' : 'i-no-microphone');
    this.status(words.TROUBLE[reason] ?? words.TROUBLE.failed);
    this.talkState();
  }

  talkState(state = null) {
    const live = this.speaking || (this.wanted && (this.microphone.open || !this.ownMicrophone));
    element('talk').dataset.state = state ?? (live ? 'live' : this.settings.handsFree ? 'waiting' : 'ready');
    this.waveform.live = live;
  }
}

/** For tests: whether there was a loud sound, and how many samples ago. */
function follow(samples) {
  const { edgeS2i } = globalThis;
  const loud = samples.some((sample) => Math.abs(sample) > LOUD);
  edgeS2i.spoken ||= loud;
  edgeS2i.quiet = loud ? 0 : edgeS2i.quiet + samples.length;
}

async function listing() {
  try {
    return await (await fetch('assets.json')).json();
  } catch {
    return { offline: true, version: 'unknown', gpu: [], detector: null, seed: 0, style: null };
  }
}

async function begin() {
  if (debug) globalThis.edgeS2i = { events: [], spoken: false, quiet: 0 };
  const page = new Page(await History.open(), await listing());
  if (debug) globalThis.edgeS2i.page = page;
  if ('serviceWorker' in navigator) {
    await navigator.serviceWorker.register('service-worker.js').catch((error) => console.warn(String(error)));
  }
}

begin();
