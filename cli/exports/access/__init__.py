"""Access control for brokers that are not Azure IoT Operations': who may read and write which topics."""
