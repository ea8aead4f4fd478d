"""What is measured and how: every score in the README and in a bundle's manifest is computed here.

`retrieval`, `calibration`, `bootstrap` and `unknown_sounds` need NumPy alone; `efficientnet_lite`,
`concept_classifier` and `fidelity` look at pictures with a frozen network and need the train extra.
"""
