//! Codes of what is seen in stores, on hosts, while planning and while running. Layers above add their rows here.

codes! { World; }
