/** The box writes its sentences in lower case and without a full stop, for logs. Here they are made whole. */
export function sentence(text: string): string {
  if (!text) return '';
  // Names such as brightness keep their case: they are what the box calls them.
  const begun = /^[a-z]+ /.test(text) ? text[0]!.toUpperCase() + text.slice(1) : text;
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}
