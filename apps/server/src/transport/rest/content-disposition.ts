/** Controls, separators of folders, and characters that turn the direction of text around. */
const unsafe = /[\p{Cc}\p{Cs}/\\\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/**
 * `Content-Disposition: attachment` with the name in both forms: quoted ASCII for old clients
 * (RFC 6266), and UTF-8 (RFC 8187). Nothing of the name can end the header or name a folder.
 */
export function attachmentDisposition(filename: string | null): string {
  const name = (filename ?? "").replace(unsafe, "_");
  if (name === "") return "attachment";
  const ascii = name.replace(/[^\x20-\x7e]|["%]/g, "_");
  const plain = `attachment; filename="${ascii}"`;
  return ascii === name ? plain : `${plain}; filename*=UTF-8''${encodeExtValue(name)}`;
}

function encodeExtValue(value: string): string {
  return encodeURIComponent(value).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
