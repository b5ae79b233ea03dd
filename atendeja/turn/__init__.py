"""A turn answers a conversation: facts are loaded under the contact's lock, decided on (`decide`, pure), written once (`take`)."""
