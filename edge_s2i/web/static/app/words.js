// What the page says in words: to those who read, and through a screen reader to those who do not see.

export const WELCOME = 'Hold the button and say a word';
export const HANDS_FREE = 'Just speak';
export const LISTENING = 'Listening';
export const LOADING = 'Getting ready';

export const sure = (confidence) => `${Math.round(100 * confidence)}%`;
export const drawn = (name, confidence) =>
  `${name ? `Picture: ${name}` : 'Picture drawn'}, ${Math.round(100 * confidence)} percent sure`;

/** Why nothing was drawn, by the engine's reason. */
export const AGAIN = {
  unsure: 'Say it again',
  silence: 'Nothing heard: speak up',
  noise: 'Only noise heard',
  short: 'Hold a little longer',
  long: 'Say less at once',
};

/** What is wrong with the microphone, the server or the engine. */
export const TROUBLE = {
  denied: 'The microphone is not allowed: allow it in the browser',
  missing: 'There is no microphone',
  busy: 'The microphone cannot be used',
  insecure: 'A microphone needs an https page',
  away: 'The device does not answer',
  token: 'Open the link with the token again',
  full: 'Too many people are speaking',
  idle: 'Press the button to go on',
  failed: 'This browser cannot draw',
};
