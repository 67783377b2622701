"""One cache for all workers: uvicorn --workers 4 hello_fastapi:app"""

import asyncio

from fastapi import FastAPI

import forklore

app = FastAPI()
cache = forklore.Cache("hello", "64MB")


async def look_up(number: int) -> dict:  # stands for the database
    await asyncio.sleep(0.2)
    return {"number": number, "lookups": cache.incr("lookups", initial=0)}


@app.get("/product/{number}")
async def product(number: int) -> dict:
    return await cache.aget_or_compute(f"product:{number}", lambda: look_up(number), ttl=60)
