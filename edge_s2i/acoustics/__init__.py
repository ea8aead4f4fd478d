"""What happens to a voice between a mouth and a file, on waveforms: another speaker, a room, noise, a microphone.

Every effect takes and returns samples (N,) float32, mono at 16 kHz, changes nothing in place, and draws only from
the generator it is given. `chain.record` applies them in the order in which they happen. Training only: it needs
the train extra, and the device never imports it.
"""
