/** The one form of every data set: splits of images with their captions, and boxes where they are known. */

/** In pixels of the stored image; `x`, `y` is the upper left corner. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** One drawn or annotated thing of an image. */
export interface ImageObject {
  box: Box;
  /** Class name (scenes: the noun of `objects.json`). */
  label: string;
}

/** A noun phrase of a caption and what it refers to. */
export interface Phrase {
  /** Character span [start, end) in the caption's text. */
  start: number;
  end: number;
  /** Indexes into the item's `objects`. */
  objects: number[];
  /** Kind of the phrase (scenes: the object's category; Flickr30K Entities: its type). */
  type?: string;
}

/** A caption as it was written, with its phrases where their boxes are known. */
export interface Caption {
  text: string;
  phrases?: Phrase[];
}

/** An image of a split with its captions. */
export interface Item {
  /** Unique within its split. */
  id: string;
  /** Absolute path of the image file. */
  image: string;
  captions: Caption[];
  objects?: ImageObject[];
  /** Where the picture plays (scenes: one of nine backgrounds). */
  place?: string;
}

/** A data set as every verb takes it: splits of images with captions. */
export interface Dataset {
  name: string;
  /** The folder that holds the images. */
  root: string;
  splits: Record<string, Item[]>;
  /** Short hash over names and captions: a checkpoint records it and a resume compares it. */
  fingerprint: string;
  /** How it was opened (absolute paths), so that a run can open it again by itself. */
  opened?: Opened;
  /** What the annotations name and the splits do not have, where problems are skipped. */
  leftOut?: LeftOut[];
  /** What Flickr30K Entities gave, where the set was opened with its boxes. */
  boxesRead?: BoxesRead;
}

/** Counts of what was read from Flickr30K Entities, and what did not match. */
export interface BoxesRead {
  phrases: number;
  boxes: number;
  /** Captions with phrases. */
  captions: number;
  /** Ids of the images without Annotations/ID.xml or Sentences/ID.txt. */
  imagesWithout: string[];
  /** Captions that differ from every sentence of their image: its id, and which caption (from 0). */
  captionsWithout: { id: string; caption: number }[];
}

/** A row that was left out. */
export interface LeftOut {
  /** A missing or unreadable image's id, else its path in the annotations (or its number, where two images have the same). */
  image: string;
  /** The annotation file, and the row, line or image in it, counted from 1; absent for images that were found unreadable. */
  file?: string;
  row?: number;
  reason: string;
}

/** The choices of `ams data` that lead to a data set. */
export interface Opened {
  data: string;
  root?: string;
  annotations?: string;
  captions?: string;
  boxes?: boolean | string;
  skipProblems?: boolean;
  /** Ids of images that were left out, as they were missing or the check of all images could not read them. */
  leftOut?: string[];
}
