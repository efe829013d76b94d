"""Names that are chosen from when a ticket is drawn. Reading them loads no TensorFlow."""

GLOBAL = "global"  # ratios: all layers are ranked together
FAMILIES = ("resnet", "vgg")  # the two forms of the smart ratios
ROUNDINGS = ("exact", "reference")
SAMPLINGS = ("exact", "bernoulli")
CLASSIFIER_KEEP = 0.3  # section 4.2: the smart ratio's choice for the last layer
RANKED = "ranked"  # of the classifier: nothing is set apart for it
