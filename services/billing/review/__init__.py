"""Review: recipients certify, order and object; levies and documents are taken back and made anew."""
