"""Rohde & Schwarz SGS100A: a microwave source with IQ modulator, up to its option's frequency."""

from __future__ import annotations

from labd_drivers.sim.instrument import Identity, Instrument, Room
from labd_drivers.sim.physics.shot import Source
from labd_drivers.sim.settings import ChoiceSetting, NumberSetting, SwitchSetting

_REFERENCES = ("10MHZ", "100MHZ", "1000MHZ")
_POLARITIES = ("NORMal", "INVerted")


class Sgs100a(Instrument):
    """The source. max_frequency_hz: what the frequency option allows; beyond it -222."""

    def __init__(
        self, name: str, identity: Identity, room: Room, *, max_frequency_hz: float = 12.75e9
    ) -> None:
        super().__init__(name, identity, room)
        self.frequency_hz = NumberSetting(
            self,
            "[SOURce]:FREQuency[:CW]",
            default=1e9,
            limits=(1e6, max_frequency_hz),
            form=".3f",
        )
        self.power_dbm = NumberSetting(
            self, "[SOURce]:POWer[:POWer]", default=-30.0, limits=(-120.0, 25.0), form=".2f"
        )
        self.is_on = SwitchSetting(self, "OUTPut[:STATe]")
        self.is_iq_on = SwitchSetting(self, "[SOURce]:IQ:STATe")
        self._add_references()
        self._add_impairments()
        self._add_pulse_modulator()

    def source(self) -> Source:
        """As the lines see it."""
        return Source(
            frequency_hz=self.frequency_hz.get(),
            power_dbm=self.power_dbm.get(),
            is_on=self.is_on.get(),
            is_iq_on=self.is_iq_on.get(),
        )

    def outputs(self) -> dict[str, float | bool]:
        """Whether there is a carrier."""
        return {"status": self.is_on.get()}

    def _add_references(self) -> None:
        NumberSetting(self, "[SOURce]:PHASe", default=0.0, limits=(0.0, 360.0), form=".2f")
        ChoiceSetting(self, "[SOURce]:ROSCillator:SOURce", options=("INTernal", "EXTernal"))
        ChoiceSetting(self, "[SOURce]:ROSCillator:OUTPut:FREQuency", options=_REFERENCES)
        ChoiceSetting(self, "[SOURce]:ROSCillator:EXTernal:FREQuency", options=_REFERENCES)
        ChoiceSetting(self, "[SOURce]:LOSCillator:SOURce", options=("INTernal", "EXTernal"))
        ChoiceSetting(self, "CONNector:REFLo:OUTPut", options=("REF", "LO", "OFF"))
        ChoiceSetting(
            self,
            "CONNector:TRIGger:OMODe",
            options=("SVALid", "SNVALid", "PVOut", "PETrigger", "PEMSource"),
        )
        ChoiceSetting(self, "[SOURce]:OPMode", options=("NORMal", "BBBYpass"))

    def _add_impairments(self) -> None:
        SwitchSetting(self, "[SOURce]:IQ:IMPairment:STATe")
        for pattern, limit in (
            ("[SOURce]:IQ:IMPairment:LEAKage:I", 10.0),
            ("[SOURce]:IQ:IMPairment:LEAKage:Q", 10.0),
            ("[SOURce]:IQ:IMPairment:IQRatio", 1.0),
            ("[SOURce]:IQ:IMPairment:QUADrature", 8.0),
        ):
            NumberSetting(self, pattern, default=0.0, limits=(-limit, limit), form=".2f")

    def _add_pulse_modulator(self) -> None:
        pulse = "[SOURce]:PULM"
        SwitchSetting(self, f"{pulse}:STATe")
        ChoiceSetting(self, f"{pulse}:SOURce", options=("INTernal", "EXTernal"))
        ChoiceSetting(self, f"{pulse}:MODE", options=("SINGle", "DOUBle"))
        ChoiceSetting(self, f"{pulse}:POLarity", options=_POLARITIES)
        ChoiceSetting(self, f"{pulse}:TRIGger:EXTernal:GATE:POLarity", options=_POLARITIES)
        ChoiceSetting(self, f"{pulse}:TRIGger:EXTernal:IMPedance", options=("G50", "G10K"))
        ChoiceSetting(self, f"{pulse}:TRIGger:EXTernal:SLOPe", options=("POSitive", "NEGative"))
        ChoiceSetting(self, f"{pulse}:TRIGger:MODE", options=("AUTO", "EXTernal", "EGATe"))
        for pattern, default, minimum in (
            (f"{pulse}:DELay", 1e-6, 0.0),
            (f"{pulse}:DOUBle:DELay", 1e-6, 40e-9),
            (f"{pulse}:DOUBle:WIDTh", 1e-6, 20e-9),
            (f"{pulse}:PERiod", 10e-6, 100e-9),
            (f"{pulse}:WIDTh", 1e-6, 20e-9),
        ):
            NumberSetting(self, pattern, default=default, limits=(minimum, 100.0), form=".9G")
