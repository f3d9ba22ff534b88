<?php
// This file is part of Moodle - https://moodle.org/
//
// Moodle is free software: you can redistribute it and/or modify
// it under the terms of the GNU General Public License as published by
// the Free Software Foundation, either version 3 of the License, or
// (at your option) any later version.
//
// Moodle is distributed in the hope that it will be useful,
// but WITHOUT ANY WARRANTY; without even the implied warranty of
// MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
// GNU General Public License for more details.
//
// You should have received a copy of the GNU General Public License
// along with Moodle.  If not, see <https://www.gnu.org/licenses/>.

/**
 * Progress of one phase, written to the row.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use stdClass;

/**
 * Writes the progress to the row, at most twice a second, and stops the work when it was cancelled.
 */
class progress extends \core\progress\base {
    /** @var float Seconds between two writes. */
    private const INTERVAL = 0.5;

    /** @var float Progress that is not exceeded before all is done. */
    private const MOST = 0.99;

    /** @var float When the phase began. */
    private float $began;

    /** @var float When the row was written last. */
    private float $written = 0.0;

    /** @var int[] Milliseconds until each part of the phase was reached. */
    private array $curve = [];

    /** @var bool Whether the row is left alone from now on. */
    private bool $closed = false;

    /**
     * Constructor.
     *
     * @param stdClass $job
     * @param int $phase
     * @param pace $pace
     */
    public function __construct(
        /** @var stdClass row of the duplication */
        private stdClass $job,
        /** @var int phase that is reported */
        private int $phase,
        /** @var pace how progress becomes time */
        private pace $pace
    ) {
        $this->began = microtime(true);
    }

    /**
     * Called by Moodle whenever there is progress.
     */
    public function update_progress() {
        if ($this->closed) {
            return;
        }
        [$done] = $this->get_progress_proportion_range();
        $now = microtime(true);
        $this->note($done);
        if ($now - $this->written >= self::INTERVAL) {
            $this->written = $now;
            $this->write($done);
        }
    }

    /**
     * Ends the phase.
     *
     * @return int[] milliseconds until each part of it was reached
     */
    public function finish(): array {
        $this->closed = true;
        $this->note(1.0);
        return $this->curve;
    }

    /**
     * Moodle reports progress once for each value of this clock: it counts half seconds.
     *
     * @return int
     */
    protected function get_time() {
        return (int) (microtime(true) / self::INTERVAL);
    }

    /**
     * Remembers when each part of the phase was reached.
     *
     * @param float $done
     */
    private function note(float $done): void {
        $elapsed = $this->elapsed();
        while (count($this->curve) <= min(pace::PARTS, (int) floor($done * pace::PARTS + 1e-9))) {
            $this->curve[] = $elapsed;
        }
    }

    /**
     * Milliseconds since the phase began.
     *
     * @return int
     */
    private function elapsed(): int {
        return (int) ((microtime(true) - $this->began) * 1000);
    }

    /**
     * Writes the row. The progress never goes backward.
     *
     * @param float $done
     */
    private function write(float $done): void {
        global $DB;
        if ($DB->get_field(jobs::TABLE, 'cancelrequested', ['id' => $this->job->id])) {
            throw new cancelled();
        }
        $progress = min($this->pace->overall($this->phase, $done, $this->elapsed(), $this->curve), self::MOST);
        $progress = max(round($progress, 6), (float) $this->job->progress);
        jobs::update($this->job, ['phase' => $this->phase, 'progress' => $progress]);
    }
}
