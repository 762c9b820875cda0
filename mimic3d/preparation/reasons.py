"""Rejects in words, for rejects.parquet and the report."""

from mimic3d.preparation.sample import Rejected

REASONS = {
    "empty": "the file has no bytes",
    "unreadable": "the file cannot be decoded",
    "max_bytes": "the file has {value:,.0f} bytes, more than {threshold:,.0f} are not read",
    "max_pixels": "the image has {value:,.0f} pixels, more than {threshold:,.0f} are not decoded",
    "animated": "the file holds {value:.0f} frames; one is a photo",
    "mode": "its numbers are no colours",
    "suffix": "the name has no suffix of an image",
    "name": "the name is no plain relative path",
    "duplicate_name": "{value:.0f} files have this name",
    "outside": "a link that leads out of the folder",
    "link": "a link to a folder or to nothing",
    "special": "neither a file nor a folder",
    "vetoed": "named in prepare's reject_list",
    "no_camera": "there is no camera for it",
    "no_image": "there is a camera for it, but no such image",
    "mirrored_copy": "a mirrored copy",
    "lens": "its lens shows {value:.0%} of the middle square without folds, {threshold:.0%} needed",
    "no_answer": "the command gave no answer for it",
    "size": "its sides are as {value:.4g} to 1, those of its camera as {threshold:.4g} to 1",
    "square": "its sides are as {value:.4g} to 1",
    "min_side": "the shorter side has {value:.0f} px, {threshold:.0f} are needed",
    "finite": "the camera has numbers that are not finite",
    "determinant": "the camera's rotation has the determinant {value:.5g}",
    "orthonormal": "the camera's axes are not at right angles, by {value:.3g}",
    "last_row": "the constant entries of the camera's matrices are wrong, by {value:.3g}",
    "focal": "the focal length is {value:.4g}",
    "principal_point": "the principal point lies at {value:.3g} of the crop, limit {threshold:.3g}",
    "origin": "the camera looks past the origin: {value:.3g} of the crop inside, not {threshold:g}",
    "radius": "its distance is {value:.3g} robust deviations from the median, limit {threshold:g}",
    "confidence": "the pose has the confidence {value:.2f}, {threshold:.2f} is needed",
    "no_face": "no face is found: the best score is {value:.2f}, {threshold:.2f} is needed",
    "presence": "what looks like a face has the presence {value:.2f}, {threshold:.2f} is needed",
    "several_faces": "another face has {value:.0%} of the largest's area, limit {threshold:.0%}",
    "face_size": "the face has {value:.0f} px, {threshold:.0f} are needed",
    "flip_yaw": "the mirror image has another yaw by {value:.1f} deg, limit {threshold:.1f}",
    "flip_pitch": "the mirror image has another pitch by {value:.1f} deg, limit {threshold:.1f}",
    "no_landmarks": "the table has no landmarks of it",
    "num_landmarks": "it has {value:.0f} landmarks, {threshold:.0f} are needed",
    "extent": "its landmarks span {value:.0f} px, {threshold:.0f} are needed",
    "yaw": "seen from {value:.1f} deg aside, limit {threshold:.1f}",
    "pitch": "seen from {value:.1f} deg above or below, limit {threshold:.1f}",
    "roll": "the head is turned by {value:.1f} deg in the crop, limit {threshold:.1f}",
    "reprojection": "landmarks miss the template by {value:.3f} of the crop, limit {threshold:.3f}",
    "upscaling": "the crop has {value:.0f} px in the source, {threshold:.0f} are needed",
    "padded": "{value:.0%} of the crop lie outside the image, limit {threshold:.0%}",
    "blur": "the crop's sharpness is {value:.0f}, {threshold:.0f} is needed",
    "duplicate": "a near copy, {value:.0f} of 64 bits differ",
}
"""Phrases by gate; a gate without one is described by its numbers."""


def explain(rejected: Rejected) -> str:
    """Reason why an image is left out, in one line."""
    gate, value, threshold = vars(rejected.reject).values()
    phrase = REASONS.get(gate, f"{gate} is {{value:.4g}}, threshold {{threshold:.4g}}")
    words = phrase.format(value=value, threshold=threshold)
    return f"{words} ({rejected.detail})" if rejected.detail else words
