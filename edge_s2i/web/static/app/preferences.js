// What a person chose, kept in this browser where it lets us.

export function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Storage is blocked: the choice lasts as long as the page.
  }
}

/** Something that was kept with keepRecord; null where there is none. */
export function keptRecord(name) {
  try {
    return JSON.parse(kept(name));
  } catch {
    return null;
  }
}

export function keepRecord(name, record) {
  keep(name, JSON.stringify(record));
}
