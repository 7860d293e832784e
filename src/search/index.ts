/** Search: texts find images, images find captions. */
export { indexGallery, type GalleryIndex } from "./gallery.js";
export type { Hit, Hits } from "./hits.js";
export { search, type Query, type SearchOptions } from "./search.js";
