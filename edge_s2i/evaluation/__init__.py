"""What is measured and how: every score in the README and in a bundle's manifest is computed here.

`suite` measures a whole bundle and `speech_suite` its hearing alone. `retrieval`, `calibration`, `bootstrap`,
`confusions` and `unknown_sounds` need NumPy alone; `unknown_words` asks espeak-ng to speak; `conditions` (rooms and
noise, by `edge_s2i.acoustics`) and `plots` need the train extra; `efficientnet_lite`,
`concept_classifier`, `fidelity` and `pooled_features` look at pictures with a frozen network and need the train extra.
"""
