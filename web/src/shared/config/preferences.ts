/** What this browser remembers: small things that are nobody's secret. */
const LOCK = 'argosy.locked';

/** The lock survives a reload: who reloads the page is still asked for the password. */
export const lock = {
  get: () => sessionStorage.getItem(LOCK) === '1' || localStorage.getItem(LOCK) === '1',
  set: (on: boolean) => (on ? localStorage.setItem(LOCK, '1') : (localStorage.removeItem(LOCK), sessionStorage.removeItem(LOCK))),
};
