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

export interface Caption {
  text: string;
  phrases?: Phrase[];
}

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

export interface Dataset {
  name: string;
  /** The folder that holds the images. */
  root: string;
  splits: Record<string, Item[]>;
  /** Short hash over names and captions: a checkpoint records it and a resume compares it. */
  fingerprint: string;
}
