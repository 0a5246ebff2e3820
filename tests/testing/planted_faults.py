"""Every planted fault: what the checker must catch, name and explain."""

from __future__ import annotations

from tests.testing.arithmetic_faults import ARITHMETIC_FAULTS, FUNCTION_FAULTS
from tests.testing.convolution_faults import CONVOLUTION_FAULTS
from tests.testing.network_faults import LOSS_FAULTS, NORMALISATION_FAULTS
from tests.testing.planting import PlantedFault
from tests.testing.pooling_faults import POOLING_FAULTS
from tests.testing.product_faults import PRODUCT_FAULTS
from tests.testing.reduction_faults import REDUCTION_FAULTS
from tests.testing.shape_faults import INDEXING_FAULTS, SHAPE_FAULTS

FAMILIES: dict[str, list[PlantedFault]] = {
    "arithmetic": ARITHMETIC_FAULTS,
    "functions": FUNCTION_FAULTS,
    "reductions": REDUCTION_FAULTS,
    "shapes": SHAPE_FAULTS,
    "indexing": INDEXING_FAULTS,
    "products": PRODUCT_FAULTS,
    "convolution": CONVOLUTION_FAULTS,
    "pooling": POOLING_FAULTS,
    "losses": LOSS_FAULTS,
    "normalisation and dropout": NORMALISATION_FAULTS,
}
FAULTS = [fault for family in FAMILIES.values() for fault in family]
