// Saving a picture as a file, and sharing it with what the system offers.

const SCALE = 4; // 128 pixels are small in a message; whole-number scaling keeps what was drawn

/** A canvas as a PNG Blob, its own size. */
export function toPng(canvas) {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('the picture cannot be encoded'))), 'image/png');
  });
}

async function enlarged(png) {
  const bitmap = await createImageBitmap(png);
  const canvas = document.createElement('canvas');
  canvas.width = bitmap.width * SCALE;
  canvas.height = bitmap.height * SCALE;
  const pen = canvas.getContext('2d');
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return toPng(canvas);
}

const fileName = ({ id, name }) =>
  `${(name || 'picture').normalize('NFKD').replace(/[^\p{L}\p{N}]+/gu, '-').slice(0, 40)}-${id}.png`;

/** Hands a picture of the history to the browser as a download. */
export async function save(item) {
  const address = URL.createObjectURL(await enlarged(item.png));
  const link = document.createElement('a');
  link.href = address;
  link.download = fileName(item);
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

/** Shares a picture: the system's own sheet, else the clipboard, else a download. Resolves to which it was. */
export async function share(item) {
  const file = new File([await enlarged(item.png)], fileName(item), { type: 'image/png' });
  if (navigator.canShare?.({ files: [file] })) {
    try {
      await navigator.share({ files: [file] });
      return 'shared';
    } catch (error) {
      if (error.name === 'AbortError') return 'cancelled';
    }
  }
  try {
    await navigator.clipboard.write([new ClipboardItem({ 'image/png': file })]);
    return 'copied';
  } catch {
    await save(item);
    return 'saved';
  }
}
