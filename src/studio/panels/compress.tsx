/** Archives: drop images, get a .pxc file; drop a .pxc file, get the images. */

import { useEffect, useState } from "preact/hooks";
import type { Packed, Unpacked } from "../archives.ts";
import { across, type ModelInfo, type PeerSizes } from "../client.ts";
import { Files, Toggle } from "../controls.tsx";
import { type DroppedFile, filesOf } from "../drops.ts";
import { download } from "../pixels.tsx";
import { useStudio } from "../studio.ts";

export function CompressPanel({ model }: { model: ModelInfo }) {
  const { client, report, archive, failed } = useStudio();
  const [packed, setPacked] = useState<Packed | null>(null);
  const [opened, setOpened] = useState<readonly Unpacked[] | null>(null);
  const [progress, setProgress] = useState<string | null>(null);
  const [lossy, setLossy] = useState(false);
  const [over, setOver] = useState(false);

  const work = async (what: string, job: () => Promise<void>): Promise<void> => {
    report(null);
    setPacked(null);
    setOpened(null);
    setProgress(what);
    try {
      await job();
    } catch (error) {
      failed(error);
    } finally {
      setProgress(null);
    }
  };

  const pack = (files: readonly DroppedFile[]): Promise<void> =>
    work("Reading …", async () => {
      const dropped = await Promise.all(
        files.map(async ({ path, file }) => ({ name: path, bytes: new Uint8Array(await file.arrayBuffer()) })),
      );
      const onProgress = across((done: number, total: number) =>
        setProgress(`Compressing: ${done} of ${total} images`),
      );
      setPacked(await client.host.pack(dropped, lossy, onProgress));
    });

  const unpack = (file: File): Promise<void> =>
    work("Opening …", async () => {
      const bytes = new Uint8Array(await file.arrayBuffer());
      const onProgress = across((done: number, total: number) =>
        setProgress(`Decompressing: ${done} of ${total} images`),
      );
      setOpened((await client.host.unpack(bytes, onProgress)).images);
    });

  const take = (files: readonly DroppedFile[]): Promise<void> => {
    const pxc = files.find(({ path }) => path.endsWith(".pxc"));
    return pxc ? unpack(pxc.file) : pack(files);
  };

  // An archive that was dropped is opened once.
  useEffect(() => {
    if (archive) void unpack(archive);
  }, [archive]);

  return (
    <section class="panel" aria-labelledby="compress-title">
      <div class="controls">
        <h2 id="compress-title">Compress</h2>
        <p class="lead">
          The better the model knows your kind of image, the smaller the file. Nothing is lost: the same pixels come
          back, here or on the command line.
        </p>
        <Toggle
          label="Nearest values: NOT lossless for images with more values than the model"
          value={lossy}
          onChange={setLossy}
        />
        <p class="hint">
          The archive opens with this model and no other: <code>pixelcnn decompress {model.name} images.pxc</code>
        </p>
      </div>
      <div class="stage">
        {/* biome-ignore lint/a11y/noStaticElementInteractions: the button inside does the same */}
        <div
          class={`drop ${over ? "over" : ""}`}
          onDragOver={(event) => {
            event.preventDefault();
            setOver(true);
          }}
          onDragLeave={() => setOver(false)}
          onDrop={async (event) => {
            event.preventDefault();
            event.stopPropagation();
            setOver(false);
            if (event.dataTransfer) await take(await filesOf(event.dataTransfer));
          }}
        >
          <p>Drop images, a folder of them, or a .pxc archive here</p>
          <Files
            label="Choose files …"
            accept="image/*,.pxc"
            multiple
            onFiles={(files) => void take(files.map((file) => ({ path: file.name, file })))}
          />
        </div>
        <p class="figures" aria-live="polite">
          {progress ?? " "}
        </p>
        {progress !== null && (
          <button type="button" class="button" onClick={() => void client.host.stop()}>
            Stop
          </button>
        )}
        {packed && <PackedView packed={packed} />}
        {opened && <OpenedView images={opened} />}
      </div>
    </section>
  );
}

/** The sizes in other formats, once they are asked for. */
function usePeers(packed: Packed) {
  const { client, failed } = useStudio();
  const [peers, setPeers] = useState<PeerSizes | null>(null);
  const [doing, setDoing] = useState<string | null>(null);
  useEffect(() => setPeers(null), [packed]);
  const compare = async (): Promise<void> => {
    setDoing("Loading the encoders …");
    try {
      const onProgress = across((done: number, total: number) => setDoing(`${done} of ${total} images`));
      setPeers(await client.host.peers(onProgress));
    } catch (error) {
      failed(error);
    } finally {
      setDoing(null);
    }
  };
  return { peers, doing, compare };
}

const kilobytes = (bytes: number): string => (bytes < 10_000 ? `${bytes} bytes` : `${(bytes / 1000).toFixed(1)} kB`);

function PackedView({ packed }: { packed: Packed }) {
  const { archive, images, leftOut, rounded } = packed;
  const { client } = useStudio();
  const { peers, doing, compare } = usePeers(packed);
  const files = images.reduce((sum, { bytes }) => sum + bytes, 0);
  const others = peers ? { "as JPEG XL": peers.jxl, "as WebP": peers.webp, "as PNG": peers.png } : {};
  const most = Math.max(files, archive?.length ?? 0, ...Object.values(others));
  return (
    <>
      {archive && (
        <div class="result">
          <p class="big">
            {kilobytes(archive.length)}{" "}
            <small>for {images.length === 1 ? "one image" : `${images.length} images`}</small>
          </p>
          <ul class="sizes">
            <Size name="this archive" bytes={archive.length} most={most} own />
            {Object.entries(others).map(([name, bytes]) => (
              <Size key={name} name={name} bytes={bytes} most={most} />
            ))}
            <Size name="your files" bytes={files} most={most} />
          </ul>
          {peers ? (
            <p class="hint">
              JPEG XL (effort 9), WebP (method 6) and PNG (oxipng, level 6): one file an image, without loss. All three
              are given every image as red, green, blue and alpha, a grey one too; PNG finds out which of them it needs.
              They open without a model; this archive does not.
            </p>
          ) : (
            <div class="row">
              <button type="button" class="button" disabled={doing !== null} onClick={compare}>
                {doing ?? "Compare with PNG, WebP and JPEG XL"}
              </button>
              {doing !== null && (
                <button type="button" class="button" onClick={() => void client.host.stop()}>
                  Stop
                </button>
              )}
            </div>
          )}
          {archive.length > files && <p>The archive is larger than the files that you gave: keep those.</p>}
          {rounded > 0 && (
            <p>{rounded} images were taken to the nearest values: these do not come back as they were.</p>
          )}
          <button
            type="button"
            class="button main"
            onClick={() => download("images.pxc", archive, "application/octet-stream")}
          >
            Download images.pxc
          </button>
        </div>
      )}
      {leftOut.length > 0 && (
        <div class="left-out">
          <h3>
            {leftOut.length} of {leftOut.length + images.length} files {leftOut.length === 1 ? "is" : "are"} left out
          </h3>
          <ul>
            {leftOut.map(({ name, reason }) => (
              <li key={name}>
                <b>{name}</b>: {reason}
              </li>
            ))}
          </ul>
        </div>
      )}
    </>
  );
}

function Size({ name, bytes, most, own = false }: { name: string; bytes: number; most: number; own?: boolean }) {
  return (
    <li class={own ? "own" : ""}>
      <span>{name}</span>
      <span class="bar" style={{ "--part": bytes / most }} />
      <span>{kilobytes(bytes)}</span>
    </li>
  );
}

function OpenedView({ images }: { images: readonly Unpacked[] }) {
  const [urls, setUrls] = useState<readonly string[]>([]);
  useEffect(() => {
    const made = images.map(({ png }) => URL.createObjectURL(new Blob([png], { type: "image/png" })));
    setUrls(made);
    return () => {
      for (const url of made) URL.revokeObjectURL(url);
    };
  }, [images]);
  return (
    <div class="result">
      <p class="big">
        {images.length} <small>{images.length === 1 ? "image" : "images"}, as they were</small>
      </p>
      <ul class="thumbs">
        {images.map(({ name, className, png }, i) => (
          <li key={name}>
            <button
              type="button"
              onClick={() => download(name.replace(/^.*\//, ""), png, "image/png")}
              title={`Save ${name}`}
            >
              {urls[i] && <img src={urls[i]} alt="" />}
              <span>{name}</span>
              {className !== undefined && <small>{className}</small>}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
