package io.gatun.vfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PciAddressTest {
    @ParameterizedTest
    @CsvSource({
        "0000:00:04.0, 0000:00:04.0",
        "00:04.0, 0000:00:04.0",
        "0000.00.04.0, 0000:00:04.0",
        "00.1f.7, 0000:00:1f.7",
        "5:AF:0a.3, 0005:af:0a.3",
        "10000:e1:00.0, 10000:e1:00.0",
    })
    void readsWhatPeopleWrite(String text, String name) {
        assertEquals(name, PciAddress.parse(text).toString());
        assertEquals(PciAddress.parse(text), PciAddress.parse(name));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "4", "nvme0", "00:20.0", "00:04.8", "00:04", "0000:00:04:0", "000:100:04.0", "-1:0.0"})
    void refusesTheRestWithAnExample(String text) {
        IllegalArgumentException refused =
                assertThrows(IllegalArgumentException.class, () -> PciAddress.parse(text));
        assertTrue(refused.getMessage().contains("0000:00:04.0"), refused.getMessage());
    }

    @Test
    void sortsAsNumbers() {
        List<PciAddress> sorted = List.of("0000:00:1f.7", "0000:01:00.0", "0001:00:00.0", "10000:00:00.0").stream()
                .map(PciAddress::parse)
                .toList();
        assertEquals(sorted, sorted.reversed().stream().sorted().toList());
    }
}
