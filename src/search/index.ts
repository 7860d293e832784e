/** Search: texts find images, images find captions; in memory or in an index on disk. */
export { indexGallery, type FoundCaption, type FoundImage, type Gallery, type GalleryIndex } from "./gallery.js";
export type { Precision } from "./packedFeatures.js";
export type { Hit, Hits } from "./hits.js";
export {
  buildIndex,
  bytesPerImage,
  imagesOfFolder,
  indexBytes,
  type ImageList,
  type Indexed,
  type IndexOptions,
} from "./indexing.js";
export { listIndexes, removeIndex, type StoredIndex } from "./listing.js";
export type { Link } from "./links.js";
export { search, type Query, type SearchOptions } from "./search.js";
export { indexFolder, indexNames } from "./places.js";
export { openGallery, type StoredGallery } from "./storedGallery.js";
