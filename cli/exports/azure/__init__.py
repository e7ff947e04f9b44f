"""Resources of Azure IoT Operations, in each form that it takes."""
