import { describe, expect, it } from 'vitest';
import {
  cropForModel,
  openClipPreprocessing,
  parsePreprocessing,
  toPixelValues,
} from '../../src/clip/preprocess.ts';

/** preprocessor_config.json of openai/clip-vit-base-patch32. */
const CLIP = {
  crop_size: 224,
  do_center_crop: true,
  do_normalize: true,
  do_resize: true,
  feature_extractor_type: 'CLIPFeatureExtractor',
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
  resample: 3,
  size: 224,
};

describe('parsePreprocessing', () => {
  it("reads CLIP's first form and the later one alike", () => {
    const later = {
      ...CLIP,
      size: { shortest_edge: 224 },
      crop_size: { height: 224, width: 224 },
      do_rescale: true,
    };
    expect(parsePreprocessing(later)).toEqual(parsePreprocessing(CLIP));
    expect(parsePreprocessing(CLIP)).toEqual({
      resize: { shortestEdge: 224 },
      filter: 'bicubic',
      cropWidth: 224,
      cropHeight: 224,
      oddMargin: 'smaller',
      rescale: 1 / 255,
      mean: CLIP.image_mean,
      std: CLIP.image_std,
    });
  });

  it('reads an exact size without a crop, and no normalising', () => {
    const config = {
      size: { width: 30, height: 20 },
      resample: 2,
      do_center_crop: false,
      do_normalize: false,
    };
    expect(parsePreprocessing(config)).toMatchObject({
      resize: { width: 30, height: 20 },
      filter: 'bilinear',
      cropWidth: 30,
      cropHeight: 20,
      mean: [0, 0, 0],
      std: [1, 1, 1],
    });
  });

  it.each([
    [{ ...CLIP, size: undefined }, /size/],
    [{ ...CLIP, resample: 1 }, /resample/],
    [{ ...CLIP, crop_size: 256 }, /crop_size/],
    [{ ...CLIP, do_center_crop: false }, /crop_size/],
    [{ ...CLIP, image_mean: undefined }, /image_mean/],
    [{ ...CLIP, image_std: [1, 1] }, /image_std/],
    [{ ...CLIP, do_resize: false }, /do_resize/],
    ['nothing', /object/],
  ])('refuses %#', (config, message) => {
    expect(() => parsePreprocessing(config)).toThrow(message);
  });
});

describe('cropForModel', () => {
  const preprocessing = parsePreprocessing({ ...CLIP, size: 4, crop_size: 4, resample: 4 });
  /** Column numbers as red, row numbers as green. */
  const numbered = (width: number, height: number) => {
    const pixels = Array.from({ length: width * height }, (_, i) => [i % width, Math.floor(i / width), 0]);
    return { data: Uint8Array.from(pixels.flat()), width, height };
  };

  it.each([
    // Margins of 1, 2, 3: the smaller half is left of the crop and above it.
    [5, 4, 0, 0],
    [6, 4, 1, 0],
    [7, 4, 1, 0],
    [4, 9, 0, 2],
  ])('cuts %i × %i at %i, %i', (width, height, left, top) => {
    const crop = cropForModel(numbered(width, height), preprocessing);
    expect([...crop.data.subarray(0, 3)]).toEqual([left, top, 0]);
    expect([crop.width, crop.height, crop.data.length, crop.cropped]).toEqual([4, 4, 48, true]);
  });

  it.each([
    // torchvision's center_crop: int(round(margin / 2)) in Python, to even.
    [5, 0],
    [6, 1],
    [7, 2],
    [8, 2],
    [9, 2],
    [11, 4],
  ])("cuts %i columns at %i in open_clip's layout", (width, left) => {
    const mean = [0, 0, 0];
    const openClip = openClipPreprocessing({ size: 4, mean, std: [1, 1, 1], interpolation: 'bicubic' });
    expect(cropForModel(numbered(width, 4), openClip).data[0]).toBe(left);
  });

  it('has pixels of its own, of a picture of just the right size too', () => {
    // Its memory is given back and used again while the crop is on its way.
    const { data, ...size } = numbered(4, 4);
    const image = { data: Buffer.from(data), ...size };
    const crop = cropForModel(image, preprocessing);
    expect(crop.data.buffer).not.toBe(image.data.buffer);
    expect([...crop.data]).toEqual([...data]);
  });
});

describe('toPixelValues', () => {
  it('gives planes, each scaled by its mean and deviation', () => {
    const config = { size: 1, crop_size: 1, image_mean: [0.5, 0, 0.25], image_std: [0.5, 1, 0.25] };
    const pixel = (...data: number[]) => ({
      data: Uint8Array.from(data),
      width: 1,
      height: 1,
      cropped: true as const,
    });
    const preprocessing = parsePreprocessing(config);
    expect([...toPixelValues(pixel(255, 255, 255), preprocessing)]).toEqual([1, 1, 3]);
    const into = new Float32Array(3).fill(9);
    expect(toPixelValues(pixel(0, 51, 0), preprocessing, into)).toBe(into);
    expect([...into]).toEqual([-1, Math.fround(0.2), -1]);
  });

  it('separates the planes of a larger crop', () => {
    const config = {
      size: { width: 2, height: 1 },
      do_center_crop: false,
      do_normalize: false,
      do_rescale: false,
    };
    const crop = { data: Uint8Array.of(1, 2, 3, 4, 5, 6), width: 2, height: 1, cropped: true as const };
    expect([...toPixelValues(crop, parsePreprocessing(config))]).toEqual([1, 4, 2, 5, 3, 6]);
  });
});
