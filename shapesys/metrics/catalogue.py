"""What there is beside Chamfer conventions, in a sentence each: for lists, so that a name can be looked up.

Names in angle brackets stand for a choice: k for a rank or a number of superpixels, argmax for ``restricted`` or
``free``, rule for how annotators are joined.
"""

from __future__ import annotations

LABELS: dict[str, str] = {
    "accuracy/top<k>": "1 where the true class is among the k likeliest; mean over shapes = OA, over categories = mAcc",
    "cross_entropy/class": "minus the natural logarithm of the true class's probability",
    "iou/part.<argmax>": "mean IoU of a shape's parts, one absent in truth and prediction counting 1; mean over "
    "shapes = instance mIoU, over categories = category mIoU",
    "accuracy/point.<argmax>": "share of a shape's points with the true part",
}
"""Of one shape, where a run predicts labels."""

WHOLE_SET: dict[str, str] = {
    "oa/class": "overall accuracy (OA) of classes",
    "macc/class": "mean-class accuracy (mAcc): mean recall of classes, from one confusion matrix",
    "miou/instance.<argmax>": "instance mIoU: mean of iou/part over all shapes",
    "miou/category.<argmax>": "category mIoU: mean of the categories' means of iou/part",
    "oa/point.<argmax>": "share of all points of the set with the true part",
    "macc/part.<argmax>": "mean recall of parts over all points of the set",
    "miou/part.<argmax>": "mean IoU of parts over all points of the set, as scenes are judged",
}
"""Of a whole set, where a run predicts labels."""

SUPERPIXELS: dict[str, str] = {
    "asa/<rule>.k<k>": "achievable segmentation accuracy at k superpixels asked for",
    "boundary_recall/<rule>.k<k>": "share of drawn boundaries with a superpixel boundary close by",
    "undersegmentation/<rule>.k<k>": "how far superpixels leak over drawn segments",
    "compactness/k<k>": "mean isoperimetric quotient of the superpixels, weighted by area",
    "superpixels/k<k>": "the actual number of superpixels",
}
"""Of one image, where a run predicts superpixels."""
