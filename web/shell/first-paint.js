// Runs before the first paint, so that a chosen theme does not flash in the other one. A classic script for that reason.
try {
  const theme = JSON.parse(localStorage.getItem('naru:theme'));
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // Without storage the system's theme stands.
}
