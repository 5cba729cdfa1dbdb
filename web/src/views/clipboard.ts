/**
 * Copies a text. The modern way exists only on https and localhost, and a box
 * in a workshop is mostly reached by plain http: there the shown text is
 * selected and copied the old way, and stays selected for the keyboard if even
 * that is refused.
 */
export async function copyText(text: string, shown: HTMLElement | null): Promise<boolean> {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Not allowed here: try the old way.
    }
  }
  const selection = getSelection();
  if (!shown || !selection) return false;
  selection.selectAllChildren(shown);
  const done = document.execCommand('copy');
  if (done) selection.removeAllRanges();
  return done;
}
