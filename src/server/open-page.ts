/** Opens an address in the user's browser. The only file that loads the package open. */

/** Where there is no browser, or no screen, nothing happens: the address was printed. */
export async function openPage(url: string): Promise<void> {
  const { default: open } = await import("open");
  const started = await open(url).catch(() => null);
  started?.on("error", () => undefined);
}
