/** HTML of the kernel's own magics. */

/** Escapes text that comes from data, for attribute values too. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${String(c.charCodeAt(0))};`);
}
